"""What a measured run leaves behind: histories, result.json, a verdict on the terminal, and report.html."""
