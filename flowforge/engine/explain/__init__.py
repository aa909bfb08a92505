"""Why a job stands where it does: the findings, each kind of cause in a module of its own."""
