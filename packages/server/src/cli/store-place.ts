/** Where the database is, for commands that work on it without a server between. */
export interface StorePlace {
  readonly home: string;
  readonly databaseUrl: string | null;
}
