"""The words everybody uses: frames, predictions, cards, promises, errors. Imports nothing of ours."""
