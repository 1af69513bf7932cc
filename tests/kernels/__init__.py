"""claude_parallel in real Jupyter kernels and real scripts, against an API in a process of its own."""
