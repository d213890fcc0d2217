"""For tests of programs on usnet, and of usnet itself: peers driven by hand in virtual time."""
