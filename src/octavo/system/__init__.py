"""What every room needs of the machine: atomic files, modules named by the user, progress."""
