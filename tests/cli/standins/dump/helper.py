"""What the modules of dump share."""


def create_template_dict(dbs):
    return {db: {"keys": [], "tables_not_found": []} for db in dbs}
