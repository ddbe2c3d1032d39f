import { natsBinaries } from "../support/nats.ts";
import { contract } from "./contract.ts";

for (const binary of natsBinaries()) contract(binary);
