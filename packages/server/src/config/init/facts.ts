/** What `lastgood init` saw in a folder. Plain data: the guesses are made from it alone. */
import type { ComposeService } from "./compose.ts";

export interface FolderFacts {
  /** The compose file's name; null where there is none. */
  readonly composeFile: string | null;
  readonly repositories: readonly RepositoryFacts[];
  readonly services: readonly ServiceFacts[];
  /** Compose services with the label `lastgood.agent`. */
  readonly agents: readonly ComposeService[];
  /** Who committed, over all repositories, the most commits first. */
  readonly authors: readonly AuthorFacts[];
  /** `x-lastgood` beside the compose file's services: settings that are taken as they are. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface RepositoryFacts {
  readonly name: string;
  /** As it goes into the file: relative to the folder, or a URL without a password. */
  readonly url: string;
  readonly branch: string;
  /** A branch that a work tree has checked out cannot be pushed to. */
  readonly isCheckedOut: boolean;
  /** The password that stood in the remote's URL was left out. */
  readonly hadPassword: boolean;
  /** Why it is this one, in words. */
  readonly says: string;
}

export interface ServiceFacts {
  readonly compose: ComposeService;
  readonly repository: string | null;
  /** Where in its repository the service is; empty for the root. */
  readonly prefix: string;
  /** Null: nothing to read was found. */
  readonly source: SourceFacts | null;
}

export interface SourceFacts {
  readonly scripts: Readonly<Record<string, string>>;
  /** Packages must be installed before it starts: it has some, and they are not in the repository. */
  readonly installs: boolean;
  readonly hasLockfile: boolean;
  readonly schema: string | null;
  readonly fixture: string | null;
  /** The source file that names the schema's file: taken as what applies it at start. */
  readonly appliesSchema: string | null;
  /** A folder of migrations, as a glob. */
  readonly migrations: string | null;
  /** A source file answers with `revision` from REVISION. */
  readonly saysRevision: string | null;
}

export interface AuthorFacts {
  readonly email: string;
  readonly name: string;
  readonly commits: number;
  /** From an `Agent:` trailer. */
  readonly trailer: string | null;
}
