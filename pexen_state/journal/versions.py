"""What the header and the schema of a journal are known by. Apart from the tables: readers need no SQLAlchemy."""

APPLICATION_ID = 0x7065786E  #: "pexn", in the header of every journal
REVISION = "0004"  #: of the newest migration. Revisions are numbered, so that newer and older can be told


def was_never(revision: str) -> bool:
    """Whether no version of pexen has written it, nor will one: they are numbered from 0001 on."""
    return not (revision.isascii() and revision.isdigit() and len(revision) == len(REVISION) and int(revision))
