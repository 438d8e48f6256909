import { settingsOf } from "../../src/daemon/settings.ts";
import { DEFAULTS } from "../../src/config/schema.ts";

/** What holds when nothing is configured: nothing reserved, one CPU always left for the shared containers. */
export const DEFAULT_SETTINGS = settingsOf(DEFAULTS);
export const DEFAULT_POLICY = DEFAULT_SETTINGS.policy;
