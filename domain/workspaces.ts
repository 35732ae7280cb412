/** The longest texts of a workspace that are kept, in UTF-16 units. A longer name is cut; a tag with a longer text is left out. */
export const WORKSPACE_LENGTHS = { name: 500, tagKey: 200, tagValue: 500 };
