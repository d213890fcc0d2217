"""packetdrill's scripts, run against the stack in virtual time. docs/packetdrill.md says what is read and what is checked.

    result = run_script("close-wait.pkt", profile="linux")
    assert result.outcome == "passed", result.text
"""
