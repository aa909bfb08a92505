"""The picture of a flow: where its routines stand, and what is drawn at each."""
