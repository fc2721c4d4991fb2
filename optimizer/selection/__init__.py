"""Selection: which candidates are verified and certified, fixed by search figures alone."""
