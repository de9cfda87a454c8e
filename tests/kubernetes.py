"""What Kubernetes does with manifests, as far as tests need it."""


def expanded(text, environment):
    """What Kubernetes makes of a command or value (its forked/golang/expansion), in other words."""
    made, at = "", 0
    while at < len(text):
        after = text[at + 1 : at + 2]
        if text[at] != "$" or not after:
            made, at = made + text[at], at + 1
        elif after == "$":
            made, at = made + "$", at + 2
        elif after == "(" and (end := text.find(")", at)) > 0:
            name = text[at + 2 : end]
            made, at = made + environment.get(name, f"$({name})"), end + 1
        else:
            made, at = made + text[at : at + 2], at + 2
    return made
