"""House rules as functions from a tree of files to a list of complaints, one line each."""
