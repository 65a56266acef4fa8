"""The nouns: ids, states and their legal moves, value rules, errors. Pure: imports no other room, does no I/O."""
