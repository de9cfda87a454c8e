"""From configs/data.py to what data_pipeline/preparation does."""
