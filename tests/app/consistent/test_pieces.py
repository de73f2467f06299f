"""Which rows are one hand: cuts, sides, gaps, crossings, and hands that take each other's place."""
from __future__ import annotations

import numpy as np
import pytest

from app.consistent.pieces import FILLED, believed_sides, find_pieces
from app.consistent.row_file import RowFile
from app.consistent.scout import ROW, CutFinder, compared
from app.errors import InputError
from tests.app.consistent.made_rows import TONE, files_of, rows_of, waving

TIMES = np.arange(90) / 30


def found(folder, *parts, cuts=(), times=TIMES):
    row_file, frame_file = files_of(folder, np.concatenate(parts), times, cuts)
    with row_file, frame_file:
        return find_pieces(row_file, frame_file)


def part(frames, track=0, shift=(0.0, 0.0), **options):
    """Rows of these frames, moved by pixels."""
    frames = np.asarray(frames)
    poses, wrists = waving(TIMES[frames])
    rows = rows_of(frames, TIMES[frames], poses, wrists, track, **options)
    rows['points'] += np.asarray(shift, np.float32)
    return rows


def test_a_short_gap_is_one_piece_with_filled_frames(tmp_path):
    result = found(tmp_path, part(np.r_[0:30, 38:90]))
    assert len(result.pieces) == result.hands == 1
    assert (np.flatnonzero(result.pieces[0].rows == FILLED) == np.arange(30, 38)).all()


def test_a_long_gap_is_left_open_but_the_hand_is_the_same(tmp_path):
    result = found(tmp_path, part(np.r_[0:30, 50:90]))
    assert result.hands == 1 and [len(piece.rows) for piece in result.pieces] == [30, 40]
    assert not any((piece.rows == FILLED).any() for piece in result.pieces)


def test_a_scene_cut_ends_a_hand_even_where_the_next_one_lies_in_its_place(tmp_path):
    result = found(tmp_path, part(np.arange(90)), cuts=(45,))
    assert result.hands == 2 and result.cuts == 1 and [len(piece.rows) for piece in result.pieces] == [45, 45]
    gap = found(tmp_path, part(np.r_[0:40, 48:90]), cuts=(44,))
    assert gap.hands == 2 and not any((piece.rows == FILLED).any() for piece in gap.pieces), 'a gap with a cut in it was filled'


@pytest.mark.parametrize('after', [
    {'tone': TONE + (0.9, 0.8, 0.7)},  # another person's skin
    {'shift': (330, 120)},  # far from where its motion led
])
def test_a_gap_after_which_another_hand_enters_is_not_filled(tmp_path, after):
    result = found(tmp_path, part(np.arange(30)), part(np.arange(38, 90), **after))
    assert result.hands == 2 and result.gaps_left == 1 and not any((piece.rows == FILLED).any() for piece in result.pieces)


def test_a_gap_in_which_another_hand_passes_is_not_filled(tmp_path):
    result = found(tmp_path, part(np.r_[0:30, 38:90]), part(np.arange(90), 1, (30, 0)))
    assert result.hands == 3 and result.gaps_left == 1 and not any((piece.rows == FILLED).any() for piece in result.pieces)


def test_a_hand_that_the_tracker_lost_and_numbered_anew_is_one(tmp_path):
    result = found(tmp_path, part(np.arange(30)), part(np.arange(36, 90), 5))
    assert result.hands == 1 and (result.pieces[0].rows == FILLED).sum() == 6
    at_once = found(tmp_path, part(np.arange(30)), part(np.arange(30, 90), 5))
    assert at_once.hands == len(at_once.pieces) == 1 and len(at_once.pieces[0].rows) == 90
    other = found(tmp_path, part(np.arange(30)), part(np.arange(36, 90), 5, side='left'))
    assert other.hands == 2, 'a left hand became a right one'


def test_hands_that_cross_stay_themselves_where_the_track_of_the_hidden_one_slides_onto_the_other(tmp_path):
    slides = part(np.arange(30)), part(np.arange(30, 90), shift=(12, 0), side='left')  # one track
    hides = part(np.r_[38:90], 2)  # the hidden one comes out again
    result = found(tmp_path, *slides, part(np.arange(30), 1, (12, 0), side='left'), hides)
    told = [(piece.side, piece.frames[0], piece.frames[-1], int((piece.rows == FILLED).sum())) for piece in result.pieces]
    assert sorted(told) == [('left', 0, 89, 0), ('right', 0, 89, 8)], f'two hands that crossed became {told}'


def test_two_hands_that_only_meet_stay_two(tmp_path):
    result = found(tmp_path, part(np.arange(90)), part(np.arange(90), 1, (30, 0), side='left'))
    assert result.hands == 2 and sorted(piece.side for piece in result.pieces) == ['left', 'right']


def test_a_side_that_flips_for_a_few_frames_is_not_believed_and_one_that_stays_flipped_is():
    left = np.zeros(60, bool)
    left[20:24] = True
    agreement = np.full(60, 0.95)
    assert not believed_sides(left, agreement).any(), 'four frames made another hand'
    late = np.zeros(60, bool)  # called right all the time, but since frame 30 it looks like a left hand
    doubt = np.where(np.arange(60) < 30, 0.95, 0.05)
    assert (believed_sides(late, doubt) == (np.arange(60) >= 30)).all()


def test_a_lone_hand_keeps_its_side_where_another_hand_may_have_taken_its_place(tmp_path):
    rows = part(np.arange(90))
    rows['agreement'][30:48] = 0.05  # seen edge-on for half a second
    alone = found(tmp_path, rows)
    assert [piece.side for piece in alone.pieces] == ['right'], f'a hand changed its side on its own: {[p.side for p in alone.pieces]}'
    slid = part(np.arange(90))  # another hand came near, was lost, and from then on the track is on it
    slid['agreement'][50:66] = 0.05
    beside = part(np.arange(40, 50), 1, (60, 0), side='left')
    crossed = found(tmp_path, slid[:66], beside)
    assert {piece.side for piece in crossed.pieces if 0 in piece.rows or piece.frames[-1] == 65} == {'right', 'left'}


def test_a_hand_that_was_called_left_at_first_is_no_other_hand_when_a_left_one_is_near(tmp_path):
    rows = part(np.arange(90))
    rows['left'][:40], rows['agreement'][:40] = True, np.where(np.arange(40) < 10, 0.95, 0.5)  # blurred, then seen badly
    result = found(tmp_path, rows, part(np.arange(30, 90), 1, (60, 0), side='left'))
    told = [(piece.side, piece.frames[0], piece.frames[-1]) for piece in result.pieces]
    assert sorted(told) == [('left', 30, 89), ('right', 0, 89)], f'a right hand beside a left one became {told}'


@pytest.mark.parametrize('own, other, low, high', [
    (0.05, 0.95, 0, 0.06), (0.95, 0.05, 0.94, 1), (0.1, 0.1, 0.49, 0.51), (0.3, 0.1, 0.6, 0.7)])
def test_a_hand_that_looks_like_neither_side_says_nothing(own, other, low, high):
    assert low <= compared(own, other) <= high, f'looks of {own} and {other} make {compared(own, other):.2f}, not {low} to {high}'


def test_a_cut_is_found_and_a_quick_pan_is_none():
    y, x = np.mgrid[:120, :900]
    wide = np.stack([120 + 60 * np.sin(x / 40 + k) + 30 * np.sin(y / 15) for k in range(3)], -1).astype(np.uint8)
    is_cut = CutFinder()
    assert not any(is_cut(wide[:, start:start + 160]) for start in range(0, 700, 12)), 'a pan was taken for a cut'
    assert is_cut(255 - wide[:, 700:860]), 'a cut was not seen'
    swung = CutFinder()
    cuts = sum(swung(wide[:, start:start + 160]) for start in (*[0] * 20, *range(0, 700, 40), *[680] * 20))
    assert cuts <= 1, f'a camera that was swung after it had stood still made {cuts} cuts'
    assert swung(255 - wide[:, 700:860]), 'a cut after a swing was not seen'


def test_a_clip_without_a_hand_has_no_pieces(tmp_path):
    result = found(tmp_path, np.zeros(0, ROW))
    assert result.pieces == [] and result.hands == 0


def test_rows_on_the_disk_come_back_and_a_full_disk_is_one_sentence(small_disk, tmp_path):
    with RowFile(tmp_path, np.dtype([('a', '<i4'), ('b', '<f4', (3,))])) as rows:
        for number in range(700):
            rows.append(np.array((number, (number, 0, 1)), rows.kind))
        assert rows.read(np.array([5, 6, 699, 0]))['a'].tolist() == [5, 6, 699, 0] and len(rows.columns(('b',))['b']) == 700
    with pytest.raises(InputError, match='disk is full'), RowFile(small_disk, np.dtype(('V', 4096))) as rows:
        for _ in range(600):
            rows.append(np.zeros(1, rows.kind))
    assert list(small_disk.iterdir()) == []
