"""What would other tools' published rules have said of the same transfers, and their programs on the same paths?"""
