"""The settings file: everything comes back, and nothing in it can stop the program."""
from __future__ import annotations

import tempfile
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InputError
from app.live.recorder import RecordingSettings
from app.live.settings import LiveSettings, ViewSettings
from app.sources.opening import open_source
from app.window import settings_store
from app.window.arrangement import LAYOUTS
from app.window.record_section import from_home
from app.window.settings_store import SettingsStore, Stored, config_folder, usual_recording

share = st.floats(0, 1)
plain = st.text(st.characters(exclude_characters='\0', exclude_categories=('Cs',)), max_size=40)
views = st.builds(ViewSettings, width=st.integers(0, 4096), height=st.integers(0, 4096), azimuth=st.floats(-1e6, 1e6),
                  elevation=st.floats(-90, 90), zoom=st.floats(0.01, 100), shift_x=st.floats(-10, 10), shift_y=st.floats(-10, 10),
                  dark=st.booleans())
lives = st.builds(LiveSettings, style=st.sampled_from(['textured', 'shaded', 'wireframe', 'skeleton', 'off']), opacity=share,
                  mirror=st.booleans(), view=views, smoothing=share, ahead=st.booleans(), refine=st.booleans(), lock=st.booleans(),
                  field_of_view=st.floats(1, 170), provider=st.sampled_from(['auto', 'tensorrt', 'cuda', 'cpu']),
                  threads=st.none() | st.integers(1, 64), hands=st.sampled_from([1, 2]))
recordings = st.builds(RecordingSettings, folder=plain.map(lambda name: Path('/films') / name), overlay=st.just(True), clean=st.booleans(),
                       parameters=st.booleans(), meshes=st.booleans())
everything = st.builds(Stored, live=lives, recording=recordings, source=plain, layout=st.sampled_from(LAYOUTS),
                       theme=st.sampled_from(['dark', 'light']), hud=st.booleans(), panel=st.booleans(), geometry=st.binary(max_size=80))


@pytest.fixture
def store(tmp_path: Path) -> SettingsStore:
    return SettingsStore(tmp_path / 'config')


@given(everything)
@settings(max_examples=25)
def test_what_is_saved_is_what_is_loaded(stored: Stored):
    with tempfile.TemporaryDirectory() as folder:
        store = SettingsStore(Path(folder))
        assert store.save(stored) == ''
        loaded = SettingsStore(Path(folder)).load()
    assert loaded == stored, f'saved {stored}, loaded {loaded}'


@pytest.mark.parametrize('name', ['weights.onnx', 'a, b; c = "d" [e] %41 @f.json', 'Häände 手.onnx', 'dot\udcffbyte.onnx'])
def test_files_keep_their_names_however_odd(store: SettingsStore, tmp_path: Path, name: str):
    file = tmp_path / name
    file.write_text('')
    store.save(Stored(live=LiveSettings(weights=file, intrinsics=file)))
    loaded = store.load()
    assert (loaded.live.weights, loaded.live.intrinsics, loaded.note) == (file, file, ''), f'{file!r} came back as {loaded.live.weights!r}'


def test_every_field_is_stored():
    stored = {f.name for f in fields(Stored)} - {'live', 'recording', 'note'}
    view, recording = ({f.name for f in fields(kind)} for kind in (ViewSettings, RecordingSettings))
    for table, names in ((settings_store.LIVE, {*LiveSettings.names()} - {'view'}), (settings_store.VIEW, view),
                         (settings_store.RECORDING, recording), (settings_store.WINDOW, stored)):
        assert {*table} == names, f'not stored: {names - {*table}}; unknown: {({*table}) - names}'


def test_without_a_file_everything_is_as_usual_and_there_is_nothing_to_say(store: SettingsStore):
    assert store.load() == Stored()
    assert usual_recording().folder.name == 'S2HAND'


def test_a_broken_value_falls_back_alone_and_is_named(store: SettingsStore):
    store.save(Stored(live=LiveSettings(style='shaded', opacity=0.25, hands=2), theme='light'))
    text = store.file.read_text()
    for good, bad in (('opacity=0.25', 'opacity=nan'), ('hands=2', 'hands=a, b'), ('theme=light', 'theme=pink')):
        assert good in text
        text = text.replace(good, bad)
    store.file.write_text(text + '\n[future]\nthing=@Size(3 4)\n')
    loaded = store.load()
    assert (loaded.live.style, loaded.live.opacity, loaded.live.hands, loaded.theme) == ('shaded', 1.0, 1, 'dark')
    assert all(word in loaded.note for word in ('opacity', 'hands', 'theme')) and 'style' not in loaded.note, loaded.note


def test_a_network_that_is_gone_is_replaced_by_the_one_that_ships(store: SettingsStore, tmp_path: Path):
    file = tmp_path / 'mine.onnx'
    file.write_text('')
    store.save(Stored(live=LiveSettings(weights=file)))
    file.unlink()
    loaded = store.load()
    assert loaded.live.weights is None and 'the network file' in loaded.note, loaded


def test_a_recording_of_nothing_becomes_one_of_the_overlay(store: SettingsStore):
    store.save(Stored(recording=RecordingSettings(Path('/films'), overlay=False, clean=False, parameters=False, meshes=False)))
    assert store.load().recording.overlay


@pytest.mark.parametrize('content', [b'\x00\xff\x13garbage', b'no equals sign here', b'{"json": true}'])
def test_a_file_that_is_no_settings_file_is_set_aside_and_named(store: SettingsStore, content: bytes):
    for number in (1, 2):
        store.file.parent.mkdir(exist_ok=True)
        store.file.write_bytes(content)
        loaded = store.load()
        aside = store.file.with_name(f'settings.ini.broken-{number}')
        assert aside.read_bytes() == content and not store.file.exists(), f'after load {number}: {[*store.file.parent.iterdir()]}'
        assert str(aside) in loaded.note and replace(loaded, note='') == Stored(), loaded
    assert store.save(Stored(theme='light')) == '' and store.load() == Stored(theme='light')


pieces = ['[live]', '[window]', 'style=', 'opacity', '=', '@Variant(\\0\\0\\0\\x7f)', '@Invalid()', '@ByteArray(\\xff)', '@Rect(1 2 3 4)',
          '\n', 'hands=@@2', '"', 'geometry=', '%', '\\', 'source=', ';']


@given(st.binary(max_size=200) | st.lists(st.sampled_from(pieces)).map(lambda parts: ''.join(parts).encode()))
@settings(max_examples=25)
def test_no_content_of_the_file_raises_and_settings_are_kept_afterwards(content: bytes):
    with tempfile.TemporaryDirectory() as folder:
        store = SettingsStore(Path(folder))
        store.file.write_bytes(content)
        assert isinstance(store.load(), Stored)
        assert store.save(Stored(theme='light', hud=False)) == ''
        assert SettingsStore(Path(folder)).load() == Stored(theme='light', hud=False)


def test_a_file_of_a_newer_version_is_used_as_far_as_it_is_understood(store: SettingsStore):
    store.save(Stored(theme='light'))
    store.file.write_text(store.file.read_text().replace('version=1', 'version=2').replace('[window]', '[window]\nwings=7'))
    loaded = store.load()
    assert loaded.theme == 'light' and 'newer version' in loaded.note, loaded


def test_a_full_disk_leaves_the_old_settings(store: SettingsStore, limited_files):
    store.save(Stored(theme='light'))
    with limited_files(100):
        sentence = store.save(Stored(theme='dark'))
    assert str(store.file) in sentence and store.load().theme == 'light', sentence
    assert [path.name for path in store.file.parent.iterdir()] == ['settings.ini'], 'half a file was left'


def test_a_cut_file_keeps_what_can_still_be_read(store: SettingsStore):
    store.save(Stored(live=LiveSettings(style='wireframe'), theme='light'))
    text = store.file.read_text()
    store.file.write_text(text[:text.index('theme=') + 3])
    loaded = store.load()
    assert (loaded.live.style, loaded.theme) == ('wireframe', 'dark') and 'broken-1' in loaded.note, loaded


def test_a_folder_in_the_place_of_the_file_is_set_aside(store: SettingsStore):
    store.file.mkdir(parents=True)
    assert 'broken-1' in store.load().note
    assert store.save(Stored(theme='light')) == '' and store.load().theme == 'light'


def test_a_folder_that_may_not_be_written_is_a_note_and_no_end(tmp_path: Path, unprivileged):
    folder = tmp_path / 'config'
    store = SettingsStore(folder)
    store.save(Stored(theme='light'))
    tmp_path.chmod(0o755), store.file.chmod(0o644), folder.chmod(0o555)
    try:
        with unprivileged():
            loaded, sentence = store.load(), store.save(Stored(theme='dark'))
    finally:
        folder.chmod(0o755)
    assert loaded.theme == 'light' and 'may not be written' in loaded.note, loaded
    assert str(store.file) in sentence, sentence
    assert SettingsStore(folder).load().theme == 'light', 'half of a save went through'


def test_a_file_where_the_folder_should_be_is_said(tmp_path: Path):
    (tmp_path / 'config').write_text('')
    store = SettingsStore(tmp_path / 'config')
    assert replace(store.load(), note='') == Stored()
    assert 'could not be written' in store.save(Stored())


def test_the_environment_moves_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv('S2HAND_CONFIG', str(tmp_path))
    assert config_folder() == tmp_path and SettingsStore().file.parent == tmp_path
    monkeypatch.delenv('S2HAND_CONFIG')
    assert config_folder().name == 's2hand'


def test_a_user_without_a_home_has_settings_and_a_folder_for_recordings_and_tildes_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv('HOME', raising=False)
    monkeypatch.setattr('pwd.getpwuid', lambda number: {}[number])  # as in a container whose user nobody knows
    monkeypatch.setattr('app.window.settings_store.QStandardPaths.writableLocation', lambda place: '//nowhere')  # Qt says so then
    monkeypatch.setattr('app.window.settings_store._writable', lambda path: not str(path).startswith('//nowhere'))
    monkeypatch.chdir(tmp_path)
    assert usual_recording().folder == tmp_path / 'S2HAND' and from_home(tmp_path) == str(tmp_path)
    monkeypatch.delenv('S2HAND_CONFIG', raising=False)
    assert 'S2HAND_CONFIG' in SettingsStore().load().note
    monkeypatch.setenv('S2HAND_CONFIG', '~/settings')
    assert config_folder() == Path('~/settings')
    with pytest.raises(InputError, match='no file or folder ~/clip.mp4'):
        open_source('~/clip.mp4')
