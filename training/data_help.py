"""What the help of ``python -m training data`` teaches."""

DATA = """\
  python -m training data check data/road                       what is wrong?
  python -m training data report data/road --output report      what is in it?
  python -m training data split data/road --output parts        7:2:1, no neighbours on both sides
  python -m training data COMMAND --help

Layouts, told by what lies in the folder unless --layout says it:

  ayolom         images/SPLIT, detection-object/labels/SPLIT, seg-drivable…/labels/SPLIT, seg-lane…/labels/SPLIT
  ddrnet         image/SPLIT/CAMERA, labelmap/SPLIT/CAMERA: X_leftImg8bit.png and X_gtFine_CategoryId.png
  drive          images/SPLIT, drivable/SPLIT, lane/SPLIT, boxes/SPLIT
  yolo           data.yaml, or images/SPLIT and labels/SPLIT; boxes, and boxes around polygons
  yolo_polygons  the same files as a map of classes
  coco           annotations/instances_SPLIT.json, or the JSON itself
  corners        a JSON per picture with the corners of objects (labelme and its like)
  class_folders  SPLIT/CLASS/…jpg, or CLASS/…jpg
  synthetic      synthetic:LOOK?seed=7&seconds=20&fps=2

What a command writes goes to a new folder. Nothing is moved, and nothing overwritten but by remap --in-place.
"""

_CLASSES = """\
  --classes boxes=car,bus                  where the files do not name their classes
"""
_SET = f"""\
{_CLASSES}\
  --remap 'classes:cam3:6=18'              in the folder cam3 the id 6 means 18; 'classes:*:6=18' everywhere
"""

CHECK = f"""\
  python -m training data check data/road
  python -m training data check data/road --strict && python -m training train --config road.yaml
{_SET}
Errors: pictures that cannot be read or are cut off [unreadable], label files that are malformed or of another size
than their picture [labels], ids that are no class [class], boxes without area or beyond the picture [range], the same
picture in two splits [copy]. Warnings: labels that are missing [missing] or say nothing [empty], label files
of no picture [orphan], boxes that stand there twice [twice], copies within a split [copy], pictures of two splits that
look the same [near].
"""
REPORT = f"""\
  python -m training data report data/road --output report && open report/index.html
{_SET}
Figures for the whole split, folders side by side, and each folder by itself (40 at most): share of pixels of each
class, boxes of each class, where their centres lie and how large they are.
"""
SPLIT = f"""\
  python -m training data split data/road --output parts                     train.txt, val.txt, test.txt
  python -m training data split data/road --output parts --shares 8:2 --splits train
  python -m training data split data/etri --output etri721 --files link      the layout's tree, by hard links
  python -m training data split data/video --output parts --blocks 500 --margin 30
{_CLASSES}
What belongs together stays on one side. --keep groups: folders (a camera, a drive, a video). --keep runs: frames of
one folder whose names differ in their last number only, or in a date and time, until the numbers leap (--gap).
auto: groups where there are at least as many as splits, else runs. Folders train, val and test
are none of these: a set that has splits is divided anew as one. Class folders are divided class by class. Whatever is
kept, pictures that look the same (--near) and all that belongs to them stay together as well: a car that waits at a
light is one place. --keep runs --gap 0 lets every picture go by itself, where they are no frames of videos.

One long video is one run, and no split can keep it whole. --blocks 500 cuts runs into blocks of 500 frames; where two
neighbouring blocks go to different splits, the larger split loses the frames within --margin frames of the other.

--files lists also writes data.yaml for the yolo layouts. link and copy write the whole tree, pictures and labels.
"""
CONVERT = f"""\
  python -m training data convert data/coco --to yolo --output data/yolo        boxes, images/, labels/, data.yaml
  python -m training data convert data/notes --layout corners --to yolo --output data/yolo
  python -m training data convert data/yolo --to coco --output data/coco        polygons stay polygons
  python -m training data convert data/road --layout yolo_polygons --to masks --output data/maps
  python -m training data convert 'synthetic:city?fps=2' --splits train --to drive --output data/toy
{_SET}
Boxes are cut at the picture's edge. To YOLO a region that does not count (a crowd of COCO) is left out, which is said,
and polygons of COCO become boxes; to COCO it is a crowd, and pictures without labels are left out. In a map a pixel
is the class of the last polygon that its centre lies in, ids as in the text.
"""
REMAP = """\
  python -m training data remap data/etri --remap 'classes:cam3:6=18' --output etri-labels
  python -m training data remap data/etri --remap 'classes:cam3:6=18' --in-place
  python -m training data remap data/yolo --remap 'boxes:*:0=1,1=0' --output yolo-labels

Rules of one --remap apply at once, so two ids can change places. All label files of the heads named are written, in
the folders they have in the set; other files are not. A folder is what report calls so. Labels can also be
remapped while they are read, without any file: remap: of a set in the training's configuration.

--in-place writes no id that is no class of the set (--classes names more), and refuses a label file that is a link:
its file may be another set's too.
"""
LIST = f"""\
  python -m training data list data/road --output lists                 train.txt, val.txt …, as YOLO reads them
  python -m training data list data/etri --output lists --labels        picture and label map in one line
{_CLASSES}"""
