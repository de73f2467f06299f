"""The live pipeline: a source that runs by the clock, newest frame wins, nothing queues up. No Qt in here: the window shows and steers.

    player thread        inference thread         drawing thread                    whoever shows
    capture, clock  ->   find, follow, regress -> overlay, 3D view, recording  ->   window, or nobody
             Newest[Captured]            Newest[Inferred]                  Newest[Shown]

Each arrow is a `Newest`: it holds one item, and a newer one takes the place of one that nobody took, which is counted as dropped.
"""
