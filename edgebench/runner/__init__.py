"""One trial from start to stop, and a run of many: processes started, watched and ended, their evidence as tables."""
