"""How often is the goodput judge wrong, over many simulated series, and do they resemble the lab's?"""
