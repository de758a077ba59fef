-- Ardour session with two stereo tracks and the insert on the first. Prints each step on a line.
-- The test plays the recorded signal and records the outputs through JACK.
-- Usage: ardour7-lua insert_null.lua DIRECTORY SECONDS
local place, seconds = arg[1], tonumber(arg[2])
local insert = "urn:verdigris:insert"

local function say (what)
	print (what)
	io.stdout:flush ()
end

local function wait (s)
	ARDOUR.LuaAPI.usleep (s * 1000000)
end

local engine = AudioEngine:set_backend ("JACK", "ardour", "")
assert (not engine:isnil (), "no JACK")
local session = create_session (place, "null", 48000)
assert (session, "no session")
local tracks = session:new_audio_track (2, 2, nil, 2, "trk", ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true, false)
local first = tracks:front ()
local plugin = ARDOUR.LuaAPI.new_plugin (session, insert, ARDOUR.PluginType.LV2, "")
assert (not plugin:isnil (), "the insert is not found")
first:add_processor_by_index (plugin, 0, nil, true)
for track in tracks:iter () do
	track:to_track ():rec_enable_control ():set_value (1, PBD.GroupControlDisposition.NoGroup)
end
wait (1)
say ("latency " .. first:signal_latency () .. " " .. plugin:to_insert ():signal_latency ())
for track in tracks:iter () do
	for i = 0, track:n_outputs ():n_audio () - 1 do
		say ("port " .. track:name () .. " " .. track:output ():audio (i):name ())
	end
end
session:maybe_enable_record (false)
session:request_roll (ARDOUR.TransportRequestSource.TRS_UI)
wait (0.5)
say ("recording")
wait (seconds)
session:request_stop (false, false, ARDOUR.TransportRequestSource.TRS_UI)
wait (2)
for track in tracks:iter () do
	track:to_track ():rec_enable_control ():set_value (0, PBD.GroupControlDisposition.NoGroup)
end
session:request_locate (0, false, ARDOUR.LocateTransportDisposition.MustStop, ARDOUR.TransportRequestSource.TRS_UI)
wait (1)
session:request_roll (ARDOUR.TransportRequestSource.TRS_UI)
wait (0.5)
say ("playing")
wait (seconds - 1)
if session:transport_rolling () then say ("rolling") end
session:request_stop (false, false, ARDOUR.TransportRequestSource.TRS_UI)
wait (0.5)
say ("done")
close_session ()
quit ()
