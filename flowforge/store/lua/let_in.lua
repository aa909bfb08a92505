-- Lets in what waits at keys of limits, after something was changed for them.
-- In:  keys
-- Out: at how many of them; the others are for a further call
--@include base, state, full, limits/step, limits/hand_on
local arguments = ARGV
write_though_full()
local done = 0
while done < #arguments - 1 and spent < 128 do
  done = done + 1
  spent = spent + 0.1
  hand_on(at_key(arguments[done + 1]), now_ms())
end
return done
