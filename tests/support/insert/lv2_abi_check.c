/* Check that realtime/plugin/native/lv2_abi.h equals LV2's own headers; compiled, never run
   (tests/plugin/test_insert_lv2.py). */
#include <lv2/core/lv2.h>
#include <lv2/options/options.h>
#include <lv2/state/state.h>
#include <lv2/urid/urid.h>

#include "../../../realtime/plugin/native/lv2_abi.h"

#define SAME(ours, theirs, a, b) \
    _Static_assert(sizeof(ours) == sizeof(theirs) && offsetof(ours, a) == offsetof(theirs, b), #theirs)
SAME(Lv2Feature, LV2_Feature, uri, URI);
SAME(Lv2Feature, LV2_Feature, data, data);
SAME(Lv2Descriptor, LV2_Descriptor, uri, URI);
SAME(Lv2Descriptor, LV2_Descriptor, instantiate, instantiate);
SAME(Lv2Descriptor, LV2_Descriptor, connect_port, connect_port);
SAME(Lv2Descriptor, LV2_Descriptor, activate, activate);
SAME(Lv2Descriptor, LV2_Descriptor, run, run);
SAME(Lv2Descriptor, LV2_Descriptor, deactivate, deactivate);
SAME(Lv2Descriptor, LV2_Descriptor, cleanup, cleanup);
SAME(Lv2Descriptor, LV2_Descriptor, extension_data, extension_data);
SAME(Lv2Map, LV2_URID_Map, handle, handle);
SAME(Lv2Map, LV2_URID_Map, map, map);
SAME(Lv2Option, LV2_Options_Option, context, context);
SAME(Lv2Option, LV2_Options_Option, key, key);
SAME(Lv2Option, LV2_Options_Option, size, size);
SAME(Lv2Option, LV2_Options_Option, type, type);
SAME(Lv2Option, LV2_Options_Option, value, value);
SAME(Lv2State, LV2_State_Interface, save, save);
SAME(Lv2State, LV2_State_Interface, restore, restore);
_Static_assert((int)LV2_PORTABLE_POD == (int)(LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE), "LV2_State_Flags");
_Static_assert((int)LV2_NO_PROPERTY == (int)LV2_STATE_ERR_NO_PROPERTY, "LV2_State_Status");
_Static_assert((int)LV2_NO_FEATURE == (int)LV2_STATE_ERR_NO_FEATURE, "LV2_State_Status");
