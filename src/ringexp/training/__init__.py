"""What SFT and RL share: checkpoints on disk, the optimizer step, learning-rate schedules, the Lightning run."""
