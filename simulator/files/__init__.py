"""Files: recordings, fault files and component files, read with the place of every mistake."""
