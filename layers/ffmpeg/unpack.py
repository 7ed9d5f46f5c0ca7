"""Takes ffmpeg out of its wheel: unpack.py FOLDER-OF-THE-WHEEL LAYER.

Lambda puts a layer's `bin` onto the functions' PATH as /opt/bin.
"""

import pathlib
import shutil
import sys
import zipfile


def main() -> None:
    (wheel,) = pathlib.Path(sys.argv[1]).glob("imageio_ffmpeg-*.whl")
    layer = pathlib.Path(sys.argv[2])
    (layer / "bin").mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if pathlib.PurePath(name).name.startswith("ffmpeg-linux-"))
        with archive.open(name) as packed, open(layer / "bin/ffmpeg", "wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    (layer / "bin/ffmpeg").chmod(0o755)


if __name__ == "__main__":
    main()
