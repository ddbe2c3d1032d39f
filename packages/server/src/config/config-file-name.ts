/** What a configuration is called where nobody names it. */
export const configFileName = "lastgood.yaml";
