"""The pages: what people see of the service in a browser, rendered on the server and made live by small scripts."""
