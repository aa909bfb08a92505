"""What was tried against FlowForge, as the tests tell it."""
