"""claude_parallel as a user of JupyterLab sees it, in a real browser."""
