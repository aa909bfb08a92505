"""What a flow is: routines, their slots and events, and how they are connected. No I/O."""
