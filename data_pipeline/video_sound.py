"""stub"""
from data_pipeline.audio_files import read_audio as read
