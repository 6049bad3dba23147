"""What happens when money stays away: reminders, then a suspension, which payment lifts (INV-6)."""
