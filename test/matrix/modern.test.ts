import { runCells } from "./cells.ts";

runCells("modern");
