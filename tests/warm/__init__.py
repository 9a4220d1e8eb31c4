"""Fork the platform's processes from one that has imported them: an import takes ten times as long as a fork."""
