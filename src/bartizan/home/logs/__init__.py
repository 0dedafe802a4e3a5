"""Log files as doors read them: found, opened, read, counted into observations, fed to the register."""
