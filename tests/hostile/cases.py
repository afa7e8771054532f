def groups():
    return []
