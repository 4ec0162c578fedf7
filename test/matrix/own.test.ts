import { runCells } from "./cells.ts";

runCells("own");
