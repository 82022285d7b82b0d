"""Write the tables and pages of a leaderboard."""
