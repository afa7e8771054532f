"""What `map --output=json` says, made comparable."""


def without_places(pieces):
    """[[length, state]...] without where in the file the data is, and whether the file has holes there."""
    found = []
    for piece in pieces:
        state = {key: piece[key] for key in ("depth", "present", "zero", "data")
                 if key != "zero" or not piece["data"]}
        if found and found[-1][1] == state:
            found[-1][0] += piece["length"]
        else:
            found.append([piece["length"], state])
    return found
