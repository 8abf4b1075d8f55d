from helpers import moved as moved  # an import of what has moved says where it is
