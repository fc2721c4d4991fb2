"""The subcommands, one file each; `register` puts a command on the tree."""
