"""What the programs that reckon sums for a page share.

A block of the page between `<!-- reckoned: NAME -->` and `<!-- /reckoned -->` is what the function NAME of its program returns.
"""

import pathlib
import re
import sys
from collections.abc import Callable


def hold(page: pathlib.Path, *sums: Callable[[], list[str]]) -> None:
    """Ends the program with an error unless the page has these sums; with --write it puts them there."""
    text = reckoned = page.read_text()
    for lines in sums:
        begin, end = f"<!-- reckoned: {lines.__name__} -->\n", "<!-- /reckoned -->"
        pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
        block = begin + "\n".join(lines()) + "\n" + end
        reckoned, count = re.subn(pattern, lambda _: block, reckoned, flags=re.DOTALL)
        if count != 1:
            sys.exit(f"{page} has {count} places for {lines.__name__}")
    if "--write" in sys.argv:
        page.write_text(reckoned)
    elif reckoned != text:
        sys.exit(f"{page} has other sums than {pathlib.Path(sys.argv[0]).name}, which writes them with --write")
