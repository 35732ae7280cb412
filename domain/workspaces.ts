/** The default workspace has no id, and Anthropic does not list it. This is what people call it. */
export const DEFAULT_WORKSPACE = 'Default workspace';

/** The longest texts of a workspace that are kept, in UTF-16 units. A longer name is cut; a tag with a longer text is left out. */
export const WORKSPACE_LENGTHS = { name: 500, tagKey: 200, tagValue: 500 };
