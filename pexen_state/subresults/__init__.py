"""What tasks report about their parts, in whatever words: read when an attempt is over, as far as it came.

    lines           one JSON object a line, in the file of PEXEN_RESULTS
    tap             the Test Anything Protocol, 13 and 14, and the kernel's dialect of it
    beakerlib       what beakerlib leaves in `TestResults`
    attachments     files that belong to a result, taken into the attempt's directory
    collecting      all of it, of one attempt

Text from tasks is hostile: nothing here follows a link, waits for a pipe, or takes more than it can hold.
"""
