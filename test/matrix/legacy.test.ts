import { runCells } from "./cells.ts";

runCells("legacy");
