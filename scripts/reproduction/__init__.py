"""The five papers' reports: what was published, beside ours by the paper's own procedure and by an honest one."""
