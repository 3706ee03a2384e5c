"""`make bench`: how fast darktimbre is, beside plain versions of the same work, measured in one run."""
