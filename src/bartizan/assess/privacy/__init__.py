"""What a model gives away of the rows it was trained on: who was a member, and what personal data they carry."""
