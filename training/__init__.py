"""The training room: network definitions, checkpoints of all origins, import and export. torch lives here."""
